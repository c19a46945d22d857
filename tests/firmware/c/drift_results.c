/* Prints each result's drift, and whether sernet_decide is sure of the result, given this drift:
 * drift_results < STREAMS */
#include "sernet.h"
#include "sernet_decide.h"
#include "streams.h"

SERNET_STATE(state);

static void print(sernet_decider *decider, const sernet_result *result) {
    sernet_decision decision;
    sernet_decide(decider, result, SERNET_DRIFTS(result->drift), &decision);
    printf("%ld %d\n", (long)result->drift, !decision.is_sure);
}

int main(void) {
    static sernet_decider decider;
    int status = sernet_init(state, sizeof state);
    for (uint32_t count; status == 0 && (count = next_stream()) > 0; status = sernet_reset(state)) {
        const int16_t *pcm = samples;
        sernet_decider_reset(&decider);
        while (count > 0) {
            const int32_t taken = sernet_push(state, pcm, count);
            if (taken < 0) return 1;
            pcm += taken;
            count -= (uint32_t)taken;
            sernet_result result;
            while ((status = sernet_poll(state, &result)) == SERNET_READY) print(&decider, &result);
            if (status < 0) return 1;
        }
    }
    return status != 0;
}
