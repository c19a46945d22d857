/* Prints the results of streams: api_results CHUNK WAY [FRAMES] < STREAMS
 *
 * WAY says when the network runs: "poll" after every push, "late" only after a refused push,
 * "work" in small parts after every push. CHUNK is the samples in a push; 0 means random lengths.
 * FRAMES is the frame counter at the start of each stream. Each line holds: frames, label,
 * saturated, int8 scores, scores, arousal. A line "end" follows each stream. If the macro TAUGHT is
 * set, the program loads a head first. */
#include <stdlib.h>
#include <string.h>

#include "sernet.h"
#include "streams.h"

SERNET_STATE(state);

#ifdef TAUGHT
extern const uint8_t taught_block[];
extern const uint32_t taught_block_bytes;
#endif

static void fail(const char *where, long status) {
    printf("%s: %ld\n", where, status);
    exit(1);
}

/* Random, 1..2000. */
static size_t any_length(void) {
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    return (random >> 8) % 2000 + 1;
}

static void poll(void) {
    sernet_result result;
    int status;
    while ((status = sernet_poll(state, &result)) == 1) {
        printf("%llu %d %d", (unsigned long long)result.frames, result.label, result.saturated);
        if (SERNET_RESULT_SAMPLES(result) !=
            (result.frames - 1) * SERNET_FRAME_STEP_SAMPLES + SERNET_FRAME_LENGTH_SAMPLES)
            fail("samples", 0);
        for (int i = 0; i < SERNET_LABEL_COUNT; i++) printf(" %d", result.scores_int8[i]);
        for (int i = 0; i < SERNET_LABEL_COUNT; i++) printf(" %.9g", (double)result.scores[i]);
        printf(" %.9g\n", (double)sernet_arousal(&result));
    }
    if (status != 0) fail("poll", status);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const size_t chunk = (size_t)atoi(argv[1]);
    const int late = strcmp(argv[2], "late") == 0, work = strcmp(argv[2], "work") == 0;
    /* Not zero: the state must not rely on zeroed memory. */
    memset(state, 0xA5, sizeof state);
    int status = sernet_init(state, sizeof state);
#ifdef TAUGHT
    status = sernet_set_head(state, taught_block, taught_block_bytes);
#endif
    for (size_t count; status == 0 && (count = next_stream()) > 0; status = sernet_reset(state)) {
        const int16_t *pcm = samples;
        if (argc > 3) ((sernet_state *)(void *)state)->frames = strtoull(argv[3], NULL, 10);
        while (count > 0) {
            const size_t part = chunk > 0 ? chunk : any_length();
            const int32_t taken = sernet_push(state, pcm, count < part ? count : part);
            if (taken < 0) fail("push", taken);
            pcm += taken;
            count -= (size_t)taken;
            if (late && taken > 0) continue;
            if (!work || taken == 0 || sernet_work(state) == 0) poll();
        }
        poll();
        printf("end\n");
    }
    return status != 0;
}
