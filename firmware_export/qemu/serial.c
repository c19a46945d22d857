/* The self-test over a serial line on a bare board. It polls the first UART of Arm's MPS2 and MPS3
 * boards, which QEMU connects to its option -serial. */
#include "sernet_dwt.h"
#include "sernet_serial.h"

#ifdef __ARM_FEATURE_MVE
#define BOARD "mps3-an547 under QEMU"
#define UART 0x59303000u
#else
#define BOARD "MPS2 under QEMU"
#define UART 0x40004000u
#endif

/* Cortex-M System Design Kit (DDI 0479), section 4.3: APB UART. */
#define UART_REGISTER(offset) (*(volatile uint32_t *)(UART + (offset)))
#define UART_DATA UART_REGISTER(0x00)
#define UART_STATE UART_REGISTER(0x04) /* bit 0: sending; bit 1: a byte was received */
#define UART_CTRL UART_REGISTER(0x08)  /* bit 0: send; bit 1: receive */
#define UART_BAUDDIV UART_REGISTER(0x10)

int main(void);

static size_t read_uart(uint8_t *bytes, size_t most) {
    size_t count = 0;
    while (count < most && UART_STATE & 2u) bytes[count++] = (uint8_t)UART_DATA;
    return count;
}

static void write_uart(const uint8_t *bytes, size_t count) {
    while (count-- > 0) {
        while (UART_STATE & 1u) {}
        UART_DATA = *bytes++;
    }
}

static sernet_port port = {BOARD, 0, read_uart, write_uart, NULL};
static sernet_serial serial;
SERNET_STATE(state);

int main(void) {
    UART_BAUDDIV = 16; /* the smallest divider */
    UART_CTRL = 3;
    port.cycles = sernet_dwt_start() ? sernet_dwt_cycles : NULL;
    if (sernet_serial_init(&serial, &port, state, sizeof state) < 0) return 1;
    for (;;) sernet_serial_step(&serial);
}
