// Answers `sernet-edge selftest MODEL --port PORT`, which compares this board with the computer.
#include <sernet_dwt.h>
#include <sernet_serial.h>

static size_t read_serial(uint8_t *bytes, size_t most) {
  size_t count = 0;
  while (count < most && Serial.available() > 0) bytes[count++] = (uint8_t)Serial.read();
  return count;
}

static void write_serial(const uint8_t *bytes, size_t count) {
  Serial.write(bytes, count);
}

// The board's name and its clock in Hz; 0: unknown.
static sernet_port port = {"an Arduino", 0, read_serial, write_serial, NULL};
static sernet_serial serial;
SERNET_STATE(state);

void setup() {
  Serial.begin(115200);
  if (sernet_dwt_start()) port.cycles = sernet_dwt_cycles;
  sernet_serial_init(&serial, &port, state, sizeof state);
}

void loop() { sernet_serial_step(&serial); }
