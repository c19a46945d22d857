/* The network alone on a board: counts the instructions of one window, from the first row to
 * the scores, checks the scores, and says how much stack it took. */
#include "measure.h"
#include "sernet_model.h"
#include "sernet_selftest.h"

extern const sernet_golden sernet_model_golden;
static uint64_t state[(SERNET_MODEL_STATE_BYTES + 7) / 8];

int main(void) {
    const sernet_golden *golden = &sernet_model_golden;
    uint32_t differing = 0;
    BOARD_COUNT_START();
    sernet_net_reset(golden->net, state, sizeof state);
    for (uint32_t i = 0; i < golden->rows; i++)
        sernet_net_push(golden->net, state, golden->inputs + i * golden->row_bytes);
    const int8_t *output = sernet_net_output(golden->net, state);
    BOARD_COUNT_STOP();
    const uint32_t stack = board_stack_used();
    for (uint32_t i = 0; i < golden->output_bytes; i++)
        differing += output[i] != golden->outputs[i];
    print_number("stack ", stack);
    print_number("differing ", differing);
    return differing != 0;
}
