/* Prints the drift of every window of rows, which come from standard input as the model takes
 * them, int8 (frames, SERNET_FEATURE_COUNT): each row once if it is told the hop, SERNET_DRIFT_HOP,
 * else window after window. */
#include <stdio.h>

#include "sernet_drift.h"

int main(void) {
    static sernet_drift_meter meter;
    int8_t row[SERNET_FEATURE_COUNT];
    sernet_drift_reset(&meter);
    for (uint32_t frames = 0; fread(row, sizeof row, 1, stdin) == 1;) {
        if (SERNET_DRIFT_HOP == SERNET_WINDOW_FRAMES && frames % SERNET_WINDOW_FRAMES == 0) sernet_drift_reset(&meter);
        sernet_drift_add(&meter, row);
        frames++;
        if (frames < SERNET_WINDOW_FRAMES) continue;
        if ((frames - SERNET_WINDOW_FRAMES) % SERNET_DRIFT_HOP != 0) continue;
        const int32_t drift = sernet_drift(&meter);
        printf("%ld %d\n", (long)drift, SERNET_DRIFTS(drift));
    }
    return 0;
}
