// x86-64 System V: rbx, rbp, r12 to r15 belong to the caller.
#include "cuda_emulator/fiber.h"

#include <cstdint>

asm(R"(
.text
.globl mla_emulator_switch
.hidden mla_emulator_switch
.type mla_emulator_switch, @function
mla_emulator_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size mla_emulator_switch, .-mla_emulator_switch
)");

namespace mla::emulator {

void* new_fiber(void* top, void (*entry)()) {
  // entry finds the stack as after a call: 8 below a multiple of 16. Six registers lie below its address.
  auto* stack = static_cast<uintptr_t*>(top) - 2;
  stack[0] = reinterpret_cast<uintptr_t>(entry);
  for (int i = 1; i <= 6; i++) stack[-i] = 0;
  return stack - 6;
}

}  // namespace mla::emulator
