/* Runs the self-test on a bare board, and prints the network's memory. */
#include "board.h"
#include "sernet.h"
#include "sernet_selftest.h"

extern const sernet_golden sernet_model_golden;

static sernet_state state;

int main(void) {
    const int32_t outputs = sernet_selftest(&sernet_model_golden, state.net, sizeof state.net);
    board_print_number("outputs that differ: ", outputs);
    board_print_number("state, bytes: ", (int32_t)sizeof state);
    board_print_number("stack, bytes: ", (int32_t)board_stack_used());
    return outputs != 0;
}
