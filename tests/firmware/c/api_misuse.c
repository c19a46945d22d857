/* Each misuse of the interface must return its error code; prints the checks that fail. */
#include <stdio.h>
#include <string.h>

#include "sernet.h"
#include "sernet_selftest_features.h"

static int failures;

#define EXPECT(expression, expected)                                                               \
    do {                                                                                           \
        const long found = (long)(expression);                                                     \
        if (found != (expected)) {                                                                 \
            printf("%s: %ld, not %ld\n", #expression, found, (long)(expected));                    \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static uint64_t memory[(SERNET_STATE_BYTES + 7) / 8 + 1];
static int16_t silence[SERNET_WINDOW_SAMPLES + 4 * SERNET_FRAME_STEP_SAMPLES];

int main(void) {
    char *misaligned = (char *)memory + 1;
    sernet_result result;

    EXPECT(sernet_push(memory, silence, 1), SERNET_ERROR_STATE);
    EXPECT(sernet_poll(memory, &result), SERNET_ERROR_STATE);
    EXPECT(sernet_work(memory), SERNET_ERROR_STATE);
    EXPECT(sernet_reset(memory), SERNET_ERROR_STATE);
    memset(memory, 0xFF, sizeof memory);
    EXPECT(sernet_poll(memory, &result), SERNET_ERROR_STATE);

    EXPECT(sernet_init(NULL, sizeof memory), SERNET_ERROR_NULL);
    EXPECT(sernet_init(memory, 0), SERNET_ERROR_SIZE);
    EXPECT(sernet_init(memory, SERNET_STATE_BYTES - 1), SERNET_ERROR_SIZE);
    EXPECT(sernet_init(misaligned, SERNET_STATE_BYTES), SERNET_ERROR_ALIGN);
    EXPECT(sernet_init_contract(memory, sizeof memory, SERNET_CONTRACT_ID_U64 + 1),
           SERNET_ERROR_CONTRACT);
    EXPECT(sernet_poll(memory, &result), SERNET_ERROR_STATE);
    EXPECT(sernet_init(memory, SERNET_STATE_BYTES), SERNET_OK);

    EXPECT(sernet_push(NULL, silence, 1), SERNET_ERROR_NULL);
    EXPECT(sernet_push(memory, NULL, 1), SERNET_ERROR_NULL);
    EXPECT(sernet_push(memory, NULL, 0), SERNET_ERROR_NULL);
    EXPECT(sernet_push(memory, silence, 0), SERNET_ERROR_EMPTY);
    EXPECT(sernet_push(misaligned, silence, 1), SERNET_ERROR_ALIGN);
    EXPECT(sernet_poll(NULL, &result), SERNET_ERROR_NULL);
    EXPECT(sernet_poll(memory, NULL), SERNET_ERROR_NULL);
    EXPECT(sernet_poll(misaligned, &result), SERNET_ERROR_ALIGN);
    EXPECT(sernet_work(NULL), SERNET_ERROR_NULL);
    EXPECT(sernet_work(misaligned), SERNET_ERROR_ALIGN);
    EXPECT(sernet_reset(NULL), SERNET_ERROR_NULL);
    EXPECT(sernet_reset(misaligned), SERNET_ERROR_ALIGN);
    EXPECT(sernet_selftest_features(NULL, memory, sizeof memory), SERNET_ERROR_NULL);

    /* The misuse did not change the state. */
    EXPECT(sernet_poll(memory, &result), 0);
    /* If windows share rows, the queue is shorter than a window. */
    for (int32_t heard = 0; heard < SERNET_WINDOW_SAMPLES;) {
        heard += sernet_push(memory, silence, (size_t)(SERNET_WINDOW_SAMPLES - heard));
        while (heard < SERNET_WINDOW_SAMPLES && sernet_work(memory) == 1) {}
    }
    EXPECT(sernet_poll(memory, &result), SERNET_READY);
    EXPECT(result.frames, SERNET_WINDOW_FRAMES);
    EXPECT(SERNET_RESULT_SAMPLES(result), SERNET_WINDOW_SAMPLES);
    EXPECT(sernet_poll(memory, &result), 0);

    /* A push of any length is safe: sernet_push refuses samples that do not fit. */
    EXPECT(sernet_reset(memory), SERNET_OK);
    const int32_t taken = sernet_push(memory, silence, sizeof silence / sizeof *silence);
#if SERNET_SHARES_ROWS
    /* All samples but the last one of the frame that does not fit. */
    EXPECT(taken, SERNET_QUEUE_ROWS * SERNET_FRAME_STEP_SAMPLES + SERNET_FRAME_LENGTH_SAMPLES - 1);
#else
    EXPECT(taken >= SERNET_WINDOW_SAMPLES, 1);
#endif
    for (int i = 0; i < SERNET_WINDOW_FRAMES; i++) {
        while (sernet_work(memory) == 1) {}
        while (sernet_push(memory, silence, 1) == 1) {}
    }
    EXPECT(sernet_push(memory, silence, 1), 0);
    EXPECT(sernet_poll(memory, &result), SERNET_READY);
    EXPECT(result.frames, SERNET_WINDOW_FRAMES);
    while (sernet_poll(memory, &result) == SERNET_READY) {}
    EXPECT(sernet_push(memory, silence, 1), 1);
    return failures != 0;
}
