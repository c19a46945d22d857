/* The self-test on a bare board, and what it takes. */
#include "board.h"
#include "sernet.h"
#include "sernet_selftest.h"

extern const sernet_golden sernet_model_golden;

static sernet_state state;

static void print_number(const char *text, int32_t number) {
    char digits[16], *at = digits + sizeof digits;
    uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) *--at = '-';
    board_print(text);
    board_print(at);
}

int main(void) {
    const int32_t outputs = sernet_selftest(&sernet_model_golden, state.net, sizeof state.net);
    print_number("outputs that differ: ", outputs);
    print_number("state, bytes: ", (int32_t)sizeof state);
    print_number("stack, bytes: ", (int32_t)board_stack_used());
    return outputs != 0;
}
