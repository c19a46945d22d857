#include "sernet_selftest.h"

int32_t sernet_selftest(const sernet_golden *golden, void *state, size_t bytes) {
    if (golden == NULL) return SERNET_ERROR_NULL;
    return golden->replay(golden, state, bytes);
}

int32_t sernet_replay_windows(const sernet_golden *golden, void *state, size_t bytes) {
    const int8_t *row = golden->inputs, *expected = golden->outputs;
    int32_t differing = 0;
    for (uint32_t window = 0; window < golden->windows; window++) {
        int status = window == 0 ? sernet_net_reset(golden->net, state, bytes)
                                 : sernet_net_next(golden->net, state);
        for (uint32_t i = 0; i < golden->rows && status >= 0; i++, row += golden->row_bytes)
            status = sernet_net_push(golden->net, state, row);
        if (status < 0) return status;
        const int8_t *output = sernet_net_output(golden->net, state);
        /* An output that is not ready counts as wrong in every value. */
        for (uint32_t i = 0; i < golden->output_bytes; i++)
            differing += status != SERNET_READY || output[i] != expected[i];
        expected += golden->output_bytes;
    }
    return differing;
}
