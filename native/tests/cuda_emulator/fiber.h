// A CUDA thread of the emulator: a stack and the place where it stopped. Switching costs a few nanoseconds and no system call.
#pragma once

namespace mla::emulator {

// Saves the callee-saved registers on this stack and its pointer in *from, continues where `to` was saved.
extern "C" void mla_emulator_switch(void** from, void* to);

// The saved pointer of a fiber that begins with entry() on the stack that ends at `top`; entry never returns.
void* new_fiber(void* top, void (*entry)());

}  // namespace mla::emulator
