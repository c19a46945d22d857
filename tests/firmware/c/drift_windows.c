/* Prints the drift of every window. Standard input holds the model's int8 input rows,
 * (frames, SERNET_FEATURE_COUNT): each row once if the macro SERNET_DRIFT_HOP gives the hop, else
 * one whole window after the other. */
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
