/* Streams the golden audio again and again through the interface, on a board or a PC. Chunk lengths
 * and the times of the network's work are random. Prints for each frame "row ..." with its features
 * in hexadecimal, and for each result "result FRAMES SATURATED" with the int8 scores in
 * hexadecimal. */
#include "report.h"
#include "sernet.h"
#include "sernet_selftest_features.h"

#ifndef SERNET_BARE_METAL
static void board_print(const char *text) { printf("%s", text); }
#endif

enum { HOPS = 12 };

extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

static uint32_t by_chance(uint32_t below) {
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    return (random >> 8) % below;
}

static void print_bytes(const int8_t *bytes, uint32_t count) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * SERNET_FEATURE_COUNT + 2 * SERNET_LABEL_COUNT + 2], *at = text;
    for (uint32_t i = 0; i < count; i++) {
        *at++ = digits[(uint8_t)bytes[i] >> 4];
        *at++ = digits[(uint8_t)bytes[i] & 15];
    }
    *at++ = '\n';
    *at = '\0';
    board_print(text);
}

static void print_result(const sernet_result *result) {
    report_number("frames ", (int32_t)result->frames);
    report_number("saturated ", result->saturated);
    board_print("scores ");
    print_bytes(result->scores_int8, SERNET_LABEL_COUNT);
}

int main(void) {
    const sernet_state *s = (const sernet_state *)(const void *)state;
    const int16_t *golden = sernet_model_golden_pcm.pcm;
    uint32_t at = 0, results = 0;
    uint64_t frames = 0;
    if (sernet_init(state, sizeof state) != SERNET_OK) return 1;
    while (results < HOPS) {
        const uint32_t left = SERNET_WINDOW_SAMPLES - at;
        /* At most one step, so that no push completes two frames. */
        const uint32_t any = 1 + by_chance(SERNET_FRAME_STEP_SAMPLES);
        const int32_t taken = sernet_push(state, golden + at, left < any ? left : any);
        if (taken < 0) return 1;
        at = (at + (uint32_t)taken) % SERNET_WINDOW_SAMPLES;
        if (s->frames != frames) {
            frames = s->frames;
            board_print("row ");
            print_bytes(s->rows[(s->first + s->waiting - 1) % SERNET_QUEUE_ROWS],
                        SERNET_FEATURE_COUNT);
        }
        int status = 1;
        for (uint32_t parts = by_chance(4); parts > 0 && status == 1; parts--)
            status = sernet_work(state);
        if (status < 0) return 1;
        sernet_result result;
        if (taken > 0 && status == 1) continue;
        status = sernet_poll(state, &result);
        if (status < 0) return 1;
        if (status == 1) {
            print_result(&result);
            results++;
        }
    }
    return 0;
}
