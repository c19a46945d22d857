/* Runs three windows through the exported interface, then starts afresh; prints both outputs of
 * each window. */
#include <cstdio>

#include "sernet.h"

static sernet_state state;

static void window(int8_t value) {
    int8_t row[SERNET_MODEL_INPUT_ROW_BYTES] = {value};
    int status = 0;
    for (int i = 0; i < SERNET_MODEL_INPUT_ROWS; i++) status = sernet_push_row(&state, row);
    const int8_t *result = sernet_result(&state);
    std::printf("%d %d %d\n", status, result[0], SERNET_MODEL_OUTPUT_BYTES > 1 ? result[1] : 0);
}

int main() {
    for (int start = 0; start < 2; start++) {
        if (sernet_init(&state) != 0) return 1;
        for (int8_t value = 1; value <= 3; value++) window(value);
    }
    return 0;
}
