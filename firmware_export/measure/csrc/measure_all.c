/* All of the firmware on a board, as a program would use it: a window of audio and one hop more,
 * pushed and polled for. Fails unless each brings one result, and says how much stack it took.
 * Of the hop it counts the pushes, which compute features, and the polls, which run the network,
 * in turns. The audio is in flash and the state is this program's only variable. */
#include "measure.h"
#include "sernet_selftest_features.h"

extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

/* Hears so many samples, the audio over and over; returns the results that came, or an error. */
static int32_t hear(uint32_t samples, int counted) {
    int32_t results = 0;
    while (samples > 0) {
        const uint32_t part = samples < SERNET_WINDOW_SAMPLES ? samples : SERNET_WINDOW_SAMPLES;
        if (counted) BOARD_COUNT_START();
        const int32_t taken = sernet_push(state, sernet_model_golden_pcm.pcm, part);
        if (counted) BOARD_COUNT_STOP();
        if (taken < 0) return taken;
        samples -= (uint32_t)taken;
        sernet_result result;
        if (counted) BOARD_COUNT_START();
        while (sernet_poll(state, &result) == SERNET_READY) results++;
        if (counted) BOARD_COUNT_STOP();
    }
    return results;
}

int main(void) {
    const int status = sernet_init(state, sizeof state);
    const int32_t first = hear(SERNET_WINDOW_SAMPLES, 0);
    const int32_t second = hear(SERNET_EVERY_FRAMES * SERNET_FRAME_STEP_SAMPLES, 1);
    print_number("stack ", board_stack_used());
    return status != SERNET_OK || first != 1 || second != 1;
}
