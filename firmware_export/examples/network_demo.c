/* Runs the network on windows in a file: demo_host ROWS.bin
 * The file holds the model's input values, a byte each, row after row. */
#include <stdio.h>

#include "sernet.h"

static sernet_state state;

static void print(unsigned long window, const sernet_output_value *output) {
    printf("window %lu:", window);
    for (long i = 0; i < SERNET_MODEL_OUTPUT_BYTES; i++) {
        const float real =
            SERNET_MODEL_OUTPUT_SCALE * (float)(output[i] - SERNET_MODEL_OUTPUT_ZERO_POINT);
        printf(" %.4f", (double)real);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: demo_host ROWS.bin\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        perror(argv[1]);
        return 1;
    }
    unsigned long windows = 0, rows = 0;
    int status = sernet_init(&state);
    while (status >= 0) {
        sernet_input_value row[SERNET_MODEL_INPUT_ROW_BYTES];
        const size_t count = fread(row, 1, sizeof row, file);
        if (count == 0) break;
        if (count < sizeof row) {
            fprintf(stderr, "%s ends within a row of %lu bytes\n", argv[1],
                    (unsigned long)sizeof row);
            status = -1;
            break;
        }
        rows++;
        status = sernet_push_row(&state, row);
        if (status == 1) print(windows++, sernet_result(&state));
    }
    fclose(file);
    if (status >= 0 && windows == 0) {
        fprintf(stderr, "%s has %lu rows; a window has %ld\n", argv[1], rows,
                (long)SERNET_MODEL_INPUT_ROWS);
        status = -1;
    }
    return status < 0;
}
