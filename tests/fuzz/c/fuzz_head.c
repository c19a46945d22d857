/* Loads any block of bytes as a head. Corrects the checksum, so that all later checks run, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sernet.h"
#include "sernet_crc32.h"

SERNET_STATE(state);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const int is_mended = data[0] & 1;
    uint8_t *block = malloc(size);
    memcpy(block, data + 1, size - 1);
    size--;
    if (is_mended && size >= 4) {
        const uint32_t sum = sernet_crc32(block, size - 4);
        for (size_t i = 0; i < 4; i++) block[size - 4 + i] = (uint8_t)(sum >> (8 * i));
    }
    if (sernet_init(state, sizeof state) != SERNET_OK) abort();
    if (sernet_set_head(state, block, size) == SERNET_OK) {
        static const int16_t silence[SERNET_FRAME_LENGTH_SAMPLES];
        sernet_push(state, silence, SERNET_FRAME_LENGTH_SAMPLES);
        sernet_work(state);
    }
    free(block);
    return 0;
}
