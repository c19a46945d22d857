/* Prints the results of streams: api_results CHUNK WAY < STREAMS
 *
 * WAY is when the network runs: "poll" after every push, "late" when a push is refused, or
 * "work" a row after every push. A line: frames, label, saturated, int8 scores, scores, arousal; after
 * each stream a line "end". */
#include <stdlib.h>
#include <string.h>

#include "sernet.h"
#include "streams.h"

SERNET_STATE(state);

static void fail(const char *where, long status) {
    printf("%s: %ld\n", where, status);
    exit(1);
}

static void poll(void) {
    sernet_result result;
    int status;
    while ((status = sernet_poll(state, &result)) == 1) {
        printf("%lu %d %d", (unsigned long)result.frames, result.label, result.saturated);
        for (int i = 0; i < SERNET_LABEL_COUNT; i++) printf(" %d", result.scores_int8[i]);
        for (int i = 0; i < SERNET_LABEL_COUNT; i++) printf(" %.9g", (double)result.scores[i]);
        printf(" %.9g\n", (double)sernet_arousal(&result));
    }
    if (status != 0) fail("poll", status);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const size_t chunk = (size_t)atoi(argv[1]);
    const int late = strcmp(argv[2], "late") == 0, work = strcmp(argv[2], "work") == 0;
    /* What a state must not rely on: memory that happens to be zero. */
    memset(state, 0xA5, sizeof state);
    int status = sernet_init(state, sizeof state);
    for (size_t count; status == 0 && (count = next_stream()) > 0; status = sernet_reset(state)) {
        const int16_t *pcm = samples;
        while (count > 0) {
            const int32_t taken = sernet_push(state, pcm, count < chunk ? count : chunk);
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
