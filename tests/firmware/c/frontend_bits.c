/* Prints one checksum of all powers and features of the golden audio. It must be equal on all
 * cores, with any instruction set. */
#include "sernet_frontend.h"
#include "sernet_selftest_features.h"

#ifdef SERNET_BARE_METAL
#include "board.h"
#else
#include <stdio.h>
static void board_print(const char *text) { fputs(text, stdout); }
#endif

extern const sernet_golden_pcm sernet_model_golden_pcm;

static sernet_frontend frontend;
static sernet_bin bins[SERNET_POWERS];
static uint64_t hash = 14695981039346656037u;

static void mix(uint64_t value) {
    for (int byte = 0; byte < 8; byte++, value >>= 8)
        hash = (hash ^ (value & 0xff)) * 1099511628211u;
}

/* Every loudness, from the original down to silence. */
static int16_t quieter(int16_t sample, uint32_t n) {
    return (int16_t)(sample / (1 << (n / 2048 % 16)));
}

int main(void) {
    sernet_kept row[SERNET_FEATURE_COUNT] = {0};
    sernet_frontend_reset(&frontend);
    for (uint32_t n = 0; n < SERNET_WINDOW_SAMPLES; n++) {
        const int16_t sample = quieter(sernet_model_golden_pcm.pcm[n], n);
        sernet_frontend_take(&frontend, &sample, 1);
        if (frontend.missing > 0) continue;
        mix((uint32_t)sernet_frontend_row(&frontend, bins, row));
        for (uint32_t k = 0; k < SERNET_POWERS; k++) mix(bins[k].power);
        for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) mix((uint8_t)row[k]);
    }
    char digits[18] = {0};
    for (int i = 0; i < 16; i++) digits[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
    digits[16] = '\n';
    board_print(digits);
    return 0;
}
