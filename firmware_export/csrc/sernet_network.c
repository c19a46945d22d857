#include "sernet.h"

/* `sernet_init` writes this number into a state; other memory has it only by a rare chance. */
#define MARK 0x4e657400u

int sernet_init(sernet_state *state) {
    if (state == NULL) return SERNET_ERROR_NULL;
    const int status = sernet_net_reset(&sernet_model, state->net, sizeof state->net);
    state->rows = 0;
    state->mark = status < 0 ? 0 : MARK;
    return status;
}

int sernet_push_row(sernet_state *state, const sernet_input_value *row) {
    if (state == NULL || row == NULL) return SERNET_ERROR_NULL;
    if (state->mark != MARK) return SERNET_ERROR_STATE;
    if (state->rows == SERNET_MODEL_INPUT_ROWS) {
        const int status = sernet_net_next(&sernet_model, state->net);
        if (status < 0) return status;
        state->rows = 0;
    }
    const int status = sernet_net_push(&sernet_model, state->net, (const int8_t *)row);
    if (status >= 0) state->rows++;
    return status;
}

const sernet_output_value *sernet_result(const sernet_state *state) {
    if (state == NULL || state->mark != MARK || state->rows < SERNET_MODEL_INPUT_ROWS) return NULL;
    return (const sernet_output_value *)sernet_net_output(&sernet_model, state->net);
}
