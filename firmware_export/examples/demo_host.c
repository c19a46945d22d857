/* Prints the emotions in a WAV file: demo_host FILE.wav
 *
 * With SERNET_DECIDE it also prints the decisions of `sernet-edge listen`: sure or unsure, and
 * events. */
#include <stdio.h>
#include <string.h>

#include "sernet.h"

#ifdef SERNET_DECIDE
#include "sernet_decide.h"

static sernet_decider decider;
#endif

#define CHUNK_SAMPLES 512

SERNET_STATE(state);

static uint32_t little_endian(const unsigned char *bytes, int count) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 8 | bytes[count];
    return value;
}

/* Moves to the samples of a WAV file; returns their bytes, or 0 after printing an error. */
static uint32_t find_samples(FILE *file, const char *name) {
    unsigned char header[40];
    int known = 0;
    if (fread(header, 1, 12, file) != 12 || memcmp(header, "RIFF", 4) != 0 ||
        memcmp(header + 8, "WAVE", 4) != 0) {
        fprintf(stderr, "%s is not a WAV file\n", name);
        return 0;
    }
    while (fread(header, 1, 8, file) == 8) {
        uint32_t bytes = little_endian(header + 4, 4);
        if (memcmp(header, "data", 4) == 0) {
            if (known && bytes > 1) return bytes;
            break;
        }
        if (bytes % 2 != 0 && bytes < UINT32_MAX) bytes++; /* chunks are padded to an even size */
        if (memcmp(header, "fmt ", 4) == 0 && bytes >= 16 && bytes <= sizeof header) {
            if (fread(header, 1, bytes, file) != bytes) break;
            const uint32_t tag = little_endian(header, 2);
            const uint32_t format = tag == 0xFFFE && bytes >= 26 ? little_endian(header + 24, 2) : tag;
            const uint32_t channels = little_endian(header + 2, 2);
            const uint32_t rate = little_endian(header + 4, 4);
            const uint32_t bits = little_endian(header + 14, 2);
            if (format != 1 || channels != 1 || rate != SERNET_SAMPLE_RATE_HZ || bits != 16) {
                fprintf(stderr,
                        "%s must be PCM of 16 bits, mono, %ld Hz, but is format %lu, %lu bits, "
                        "%lu channels, %lu Hz; convert it:\n"
                        "  ffmpeg -i INPUT -ac 1 -ar %ld -c:a pcm_s16le OUTPUT.wav\n",
                        name, (long)SERNET_SAMPLE_RATE_HZ, (unsigned long)format,
                        (unsigned long)bits, (unsigned long)channels, (unsigned long)rate,
                        (long)SERNET_SAMPLE_RATE_HZ);
                return 0;
            }
            known = 1;
            continue;
        }
        for (; bytes > 0 && fgetc(file) != EOF; bytes--) {}
    }
    fprintf(stderr, "%s is damaged or empty: it has no samples\n", name);
    return 0;
}

#ifdef SERNET_DECIDE

static void print_events(const sernet_decision *decision) {
    for (int i = 0; i < decision->event_count; i++) {
        const sernet_event *event = &decision->events[i];
        printf("event %lu, %s: ", (unsigned long)event->number, sernet_labels[event->label]);
        if (event->kind == SERNET_EVENT_START)
            printf("starts at %.3f s\n", event->start_s);
        else
            printf("%.3f to %.3f s, peak %.4f\n", event->start_s, event->end_s, event->peak);
    }
}

static void print(const sernet_result *result) {
    sernet_decision decision;
#ifdef SERNET_MEASURE_DRIFT
    const int drifts = SERNET_DRIFTS(result->drift);
#else
    const int drifts = 0;
#endif
    sernet_decide(&decider, result, drifts, &decision);
    printf("%8.3f s  %-10s %-6s", decision.time_s, sernet_labels[decision.label],
           decision.is_sure ? "sure" : "unsure");
    for (int i = 0; i < SERNET_LABEL_COUNT; i++)
        printf("  %s %.4f", sernet_labels[i], decision.scores[i]);
    printf("\n");
    print_events(&decision);
}

static void start(void) { sernet_decider_reset(&decider); }

static void finish(void) {
    sernet_decision decision;
    sernet_decide_end(&decider, &decision);
    print_events(&decision);
}

#else

static void print(const sernet_result *result) {
    printf("%8.3f s  %-10s", (double)SERNET_RESULT_SAMPLES(*result) / SERNET_SAMPLE_RATE_HZ,
           sernet_labels[result->label]);
    for (int i = 0; i < SERNET_LABEL_COUNT; i++)
        printf("  %s %.4f", sernet_labels[i], (double)result->scores[i]);
    printf("\n");
}

static void start(void) {}

static void finish(void) {}

#endif

/* Pushes samples and prints the results; returns the number of results, or an error. */
static int listen(const int16_t *pcm, size_t count) {
    int results = 0, status = 0;
    while (count > 0) {
        const int32_t taken = sernet_push(state, pcm, count);
        if (taken < 0) return taken;
        pcm += taken;
        count -= (size_t)taken;
        sernet_result result;
        while ((status = sernet_poll(state, &result)) == 1) {
            print(&result);
            results++;
        }
        if (status < 0) return status;
    }
    return results;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: demo_host FILE.wav\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        perror(argv[1]);
        return 1;
    }
    uint32_t bytes = find_samples(file, argv[1]);
    unsigned long samples = 0;
    start();
    int results = 0, status = bytes == 0 ? -1 : sernet_init(state, sizeof state);
    while (status >= 0 && bytes > 1) {
        unsigned char raw[2 * CHUNK_SAMPLES];
        int16_t pcm[CHUNK_SAMPLES];
        const size_t wanted = bytes / 2 < CHUNK_SAMPLES ? bytes / 2 : CHUNK_SAMPLES;
        const size_t count = fread(raw, 2, wanted, file);
        if (count == 0) {
            fprintf(stderr, "%s ends early: it is truncated\n", argv[1]);
            status = -1;
            break;
        }
        for (size_t i = 0; i < count; i++) pcm[i] = (int16_t)(raw[2 * i] | raw[2 * i + 1] << 8);
        bytes -= (uint32_t)(2 * count);
        samples += (unsigned long)count;
        status = listen(pcm, count);
        results += status > 0 ? status : 0;
    }
    fclose(file);
    /* A file shorter than the model's window is padded with silence. */
    while (status >= 0 && results == 0 && samples < SERNET_WINDOW_SAMPLES) {
        static const int16_t silence[1] = {0};
        status = listen(silence, 1);
        results += status > 0 ? status : 0;
        samples++;
    }
    finish();
    return status < 0;
}
