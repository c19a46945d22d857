/* Prints the features of every window of streams: frontend_features CHUNK < STREAMS */
#include <stdlib.h>

#include "sernet_frontend.h"
#include "streams.h"

#define MOST_FRAMES (MOST_SAMPLES / SERNET_FRAME_STEP_SAMPLES)

static sernet_frontend frontend;
static sernet_bin bins[SERNET_POWERS];
static sernet_kept rows[MOST_FRAMES][SERNET_FEATURE_COUNT];
static int32_t levels[MOST_FRAMES];

static uint32_t frames_of(uint32_t count, uint32_t chunk) {
    uint32_t frames = 0;
    sernet_frontend_reset(&frontend);
    for (uint32_t start = 0; start < count; start += chunk) {
        uint32_t left = count - start < chunk ? count - start : chunk;
        const int16_t *pcm = samples + start;
        while (left > 0) {
            const uint32_t part = left < frontend.missing ? left : frontend.missing;
            sernet_frontend_take(&frontend, pcm, part);
            pcm += part;
            left -= part;
            if (frontend.missing > 0) continue;
            levels[frames] = sernet_frontend_row(&frontend, bins, rows[frames]);
            frames++;
        }
    }
    return frames;
}

int main(int argc, char **argv) {
    const uint32_t chunk = argc == 2 ? (uint32_t)atoi(argv[1]) : 0;
    if (chunk == 0) return 2;
    for (uint32_t count; (count = next_stream()) > 0;) {
        const uint32_t frames = frames_of(count, chunk);
        for (uint32_t end = SERNET_WINDOW_FRAMES; end <= frames; end += SERNET_HOP_FRAMES) {
            const uint32_t start = end - SERNET_WINDOW_FRAMES;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
            const int32_t mean = sernet_frontend_mean(levels + start, SERNET_WINDOW_FRAMES);
            for (uint32_t i = start; i < end; i++) {
                int8_t features[SERNET_FEATURE_COUNT];
                sernet_frontend_finish(rows[i], levels[i], mean, features);
                fwrite(features, 1, sizeof features, stdout);
            }
#else
            fwrite(rows[start], sizeof rows[start], SERNET_WINDOW_FRAMES, stdout);
#endif
        }
    }
    return 0;
}
