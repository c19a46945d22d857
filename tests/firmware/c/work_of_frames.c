/* Prints how many calls of sernet_work each frame of a stream takes: work_of_frames < STREAM */
#include "sernet.h"
#include "streams.h"

SERNET_STATE(state);

int main(void) {
    if (sernet_init(state, sizeof state) != SERNET_OK) return 1;
    const uint32_t count = next_stream();
    for (uint32_t start = 0; start + SERNET_FRAME_STEP_SAMPLES <= count;
         start += SERNET_FRAME_STEP_SAMPLES) {
        if (sernet_push(state, samples + start, SERNET_FRAME_STEP_SAMPLES) < 0) return 1;
        int calls = 0, status;
        do calls++;
        while ((status = sernet_work(state)) == 1);
        sernet_result result;
        if (status < 0 || sernet_poll(state, &result) < 0) return 1;
        printf("%d\n", calls);
    }
    return 0;
}
