/* Loads a head at run time: the scores must equal the taught model's, and wrong blocks must change
 * nothing. */
#include <string.h>

#include "report.h"
#include "sernet.h"
#include "sernet_selftest.h"

extern const sernet_golden sernet_model_golden;
extern const uint8_t taught_block[], other_block[];
extern const uint32_t taught_block_bytes, other_block_bytes;
extern const int8_t taught_outputs[];

SERNET_STATE(state);
static sernet_head head;
static uint8_t block[SERNET_HEAD_BYTES + 1];
static int32_t failures;

static void expect(const char *what, int32_t found, int32_t wanted) {
    if (found == wanted) return;
    failures++;
    report_number(what, found);
}

static int load(uint32_t bytes) { return sernet_head_load(&head, SERNET_HEAD_NET, block, bytes); }

static int32_t differing(const int8_t *outputs) {
    sernet_golden golden = sernet_model_golden;
#if SERNET_SHARES_ROWS
    sernet_stream taught = sernet_model;
    taught.head = &head.net;
    golden.stream = &taught;
#else
    golden.net = &head.net;
#endif
    golden.outputs = outputs;
    return sernet_selftest(&golden, ((sernet_state *)(void *)state)->net, SERNET_MODEL_STATE_BYTES);
}

/* Sets the block's checksum: CRC-32, bit by bit. */
static void seal(void) {
    uint32_t crc = 0xffffffffu;
    for (uint32_t i = 0; i < SERNET_HEAD_BYTES - 4; i++) {
        crc ^= block[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (uint32_t i = 0; i < 4; i++)
        block[SERNET_HEAD_BYTES - 4 + i] = (uint8_t)(~crc >> 8 * i);
}

static void refuse_wrong_blocks(void) {
    memcpy(block, taught_block, SERNET_HEAD_BYTES);
    expect("cut off ", load(SERNET_HEAD_BYTES - 1), SERNET_ERROR_DAMAGED);
    expect("too long ", load(SERNET_HEAD_BYTES + 1), SERNET_ERROR_DAMAGED);
    expect("a few bytes ", load(3), SERNET_ERROR_SIZE);
    for (uint32_t at = 0; at < SERNET_HEAD_BYTES; at += 1 + at / 8) {
        block[at] ^= 0x10;
        expect("a flipped bit ", load(SERNET_HEAD_BYTES), SERNET_ERROR_DAMAGED);
        block[at] ^= 0x10;
    }
    static const struct {
        uint32_t at;
        uint8_t value;
        int32_t error;
    } wrong[] = {
        {0, 'X', SERNET_ERROR_DAMAGED},  /* mark */
        {4, 2, SERNET_ERROR_DAMAGED},    /* version */
        {6, 255, SERNET_ERROR_SIZE},     /* labels */
        {8, 255, SERNET_ERROR_SIZE},     /* features */
        {31, 0x80, SERNET_ERROR_DAMAGED}, /* multiplier below 0 */
        {32, 40, SERNET_ERROR_DAMAGED},  /* shift: in a negative shift, the other bytes are 255 */
        {37, 1, SERNET_ERROR_DAMAGED},   /* zero point */
        {45, 1, SERNET_ERROR_DAMAGED},   /* the softmax's shift */
    };
    for (uint32_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(block, taught_block, SERNET_HEAD_BYTES);
        block[wrong[i].at] = wrong[i].value;
        seal();
        expect("a wrong number ", load(SERNET_HEAD_BYTES), wrong[i].error);
    }
    memcpy(block, taught_block, SERNET_HEAD_BYTES);
    memset(block + SERNET_HEAD_START, 0xff, 3);
    block[SERNET_HEAD_START + 3] = 0x7f; /* a bias at the limit of 32 bits */
    seal();
    expect("a large bias ", load(SERNET_HEAD_BYTES), SERNET_ERROR_DAMAGED);
    expect("another model's ",
           sernet_head_load(&head, SERNET_HEAD_NET, other_block, other_block_bytes),
           SERNET_ERROR_MODEL);
    expect("no block ", sernet_head_load(&head, SERNET_HEAD_NET, NULL, 9), SERNET_ERROR_NULL);
    expect("no network ", sernet_head_load(&head, NULL, block, 9), SERNET_ERROR_NULL);
    expect("no head ", sernet_head_load(NULL, SERNET_HEAD_NET, block, 9), SERNET_ERROR_NULL);
}

int main(void) {
    expect("load ", sernet_head_load(&head, SERNET_HEAD_NET, taught_block, taught_block_bytes), 0);
    expect("bytes ", (int32_t)taught_block_bytes, SERNET_HEAD_BYTES);
    expect("scores that differ ", differing(taught_outputs), 0);
    refuse_wrong_blocks();
    expect("scores that differ after wrong blocks ", differing(taught_outputs), 0);
    expect("set before init ", sernet_set_head(state, taught_block, taught_block_bytes) < 0, 1);
    expect("init ", sernet_init(state, sizeof state), 0);
    expect("set ", sernet_set_head(state, taught_block, taught_block_bytes), 0);
    expect("set another ", sernet_set_head(state, other_block, other_block_bytes),
           SERNET_ERROR_MODEL);
    expect("reset ", sernet_reset(state), 0);
    expect("is kept ", (int32_t)((sernet_state *)(void *)state)->head.is_set, 1);
    expect("init again ", sernet_init(state, sizeof state), 0);
    expect("is gone ", (int32_t)((sernet_state *)(void *)state)->head.is_set, 0);
    report_number("failures ", failures);
    return failures != 0;
}
