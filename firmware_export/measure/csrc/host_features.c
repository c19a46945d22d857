/* Measures how long the C front end takes for the features of a hop on this computer. */
#define _POSIX_C_SOURCE 199309L

#include "host_time.h"
#include "sernet_frontend.h"
#include "sernet_selftest_features.h"

extern const sernet_golden_pcm sernet_model_golden_pcm;
static sernet_frontend frontend;
static sernet_bin bins[SERNET_POWERS];
static sernet_kept row[SERNET_FEATURE_COUNT];

static void hop(void) {
    const int16_t *pcm = sernet_model_golden_pcm.pcm;
    for (int i = 0; i < SERNET_HOP_FRAMES; i++) {
        while (frontend.missing > 0) {
            const uint32_t step = SERNET_FRAME_STEP_SAMPLES;
            sernet_frontend_take(&frontend, pcm, frontend.missing < step ? frontend.missing : step);
        }
        sernet_frontend_row(&frontend, bins, row);
    }
}

int main(int argc, char **argv) {
    sernet_frontend_reset(&frontend);
    return time_repeatedly(argc, argv, hop);
}
