/* Prints the drift of every window of rows, which come from standard input as the model takes
 * them, int8 (frames, SERNET_FEATURE_COUNT): window after window with the level "window", and
 * elsewhere each row once. */
#include <stdio.h>

#include "sernet_drift.h"

int main(void) {
    static sernet_drift_meter meter;
    int8_t row[SERNET_FEATURE_COUNT];
    sernet_drift_reset(&meter);
    for (uint32_t frames = 0; fread(row, sizeof row, 1, stdin) == 1;) {
        const int is_each_alone = SERNET_LEVEL == SERNET_LEVEL_WINDOW;
        if (is_each_alone && frames % SERNET_WINDOW_FRAMES == 0) sernet_drift_reset(&meter);
        sernet_drift_add(&meter, row);
        frames++;
        const uint32_t hop = is_each_alone ? SERNET_WINDOW_FRAMES : SERNET_EVERY_FRAMES;
        if (frames < SERNET_WINDOW_FRAMES || (frames - SERNET_WINDOW_FRAMES) % hop != 0) continue;
        const int32_t drift = sernet_drift(&meter);
        printf("%ld %d\n", (long)drift, SERNET_DRIFTS(drift));
    }
    return 0;
}
