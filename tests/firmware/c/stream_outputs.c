/* Runs a stream: stream_outputs FIRST STRIDE < ROWS. Writes the output after row FIRST, then after
 * every STRIDE rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static uint64_t state[(MODEL_STATE_BYTES + 7) / 8];

int main(int argc, char **argv) {
    int8_t row[MODEL_INPUT_ROW_BYTES];
    if (argc != 3) return 2;
    const unsigned long first = strtoul(argv[1], NULL, 10), stride = strtoul(argv[2], NULL, 10);
    /* Not zero: the engine must not rely on zeroed memory. */
    memset(state, 0xA5, sizeof state);
    if (sernet_stream_reset(&model, state, sizeof state) != SERNET_OK) return 1;
    for (unsigned long count = 1; fread(row, 1, sizeof row, stdin) == sizeof row; count++) {
        if (sernet_stream_push(&model, state, row) != SERNET_OK) return 1;
        if (count < first || (count - first) % stride != 0) continue;
        fwrite(sernet_stream_output(&model, state), 1, MODEL_OUTPUT_BYTES, stdout);
    }
    return 0;
}
