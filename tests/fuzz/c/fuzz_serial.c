/* Sends frames and other bytes to the serial protocol, in pieces of any size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sernet_crc32.h"
#include "sernet_serial.h"

#define MOST_BYTES 65536

SERNET_STATE(state);
static uint8_t line[MOST_BYTES];
static size_t written, read_so_far, piece;

static void put(uint32_t byte) {
    if (written < MOST_BYTES) line[written++] = (uint8_t)byte;
}

/* A frame with the right checksum: the fuzzer would rarely guess one. */
static size_t frame(const uint8_t *data, size_t size) {
    if (size < 4 || written + SERNET_SERIAL_FRAME > MOST_BYTES) return size;
    size_t count = (data[2] | (size_t)data[3] << 8) % (SERNET_SERIAL_PAYLOAD + 1);
    if (count > size - 4) count = size - 4;
    const size_t start = written;
    put('S');
    put('E');
    put(data[0]);
    put(data[1]);
    put((uint32_t)count);
    put((uint32_t)(count >> 8));
    for (size_t i = 0; i < count; i++) put(data[4 + i]);
    const uint32_t sum = sernet_crc32(line + start + 2, written - start - 2);
    for (uint32_t i = 0; i < 4; i++) put(sum >> (8 * i));
    return 4 + count;
}

static size_t read_input(uint8_t *bytes, size_t most) {
    size_t count = written - read_so_far;
    if (count > most) count = most;
    if (count > piece) count = piece;
    memcpy(bytes, line + read_so_far, count);
    read_so_far += count;
    return count;
}

static void write_output(const uint8_t *bytes, size_t count) {
    if (count > SERNET_SERIAL_FRAME || bytes[0] != 'S') abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const sernet_port port = {"fuzz", 0, read_input, write_output, NULL};
    written = read_so_far = 0;
    if (size < 1) return 0;
    piece = 1u + data[0];
    for (size_t at = 1; at < size;) {
        const uint8_t kind = data[at++];
        if (kind % 4 != 0) {
            at += frame(data + at, size - at);
        } else {
            for (uint32_t i = 0; i < kind / 4u && at < size; i++) put(data[at++]);
        }
    }
    sernet_serial *serial = malloc(sizeof *serial);
    if (sernet_serial_init(serial, &port, state, sizeof state) < 0) abort();
    while (read_so_far < written) sernet_serial_step(serial);
    sernet_serial_step(serial);
    free(serial);
    return 0;
}
