// Instantiates every kernel for the Isa of the including file, with internal linkage: an ISA file must not leave a function behind that
// the linker could pick for another processor. MLA_ISA is the namespace.

#define MLA_JOIN2(a, b) a##b
#define MLA_JOIN(a, b) MLA_JOIN2(a, b)

namespace mla {
namespace MLA_ISA {
namespace {
#include "cpu/weights.h"
//
#include "cpu/linear.h"
//
#include "cpu/head_linear.h"
//
#include "cpu/elementwise.h"
//
#include "cpu/cache.h"
//
#include "cpu/attention_state.h"
//
#include "cpu/attention_softmax.h"
//
#include "cpu/attention_widened.h"
//
#include "cpu/attention_pairs.h"
//
#include "cpu/attention_direct.h"
//
#include "cpu/attention.h"
//
#include "cpu/merge.h"
//
#include "cpu/probe.h"
}  // namespace
}  // namespace MLA_ISA

extern const RawKernels MLA_JOIN(MLA_ISA, _kernels) = {
    MLA_ISA::Isa::kCosts,
    MLA_ISA::packed_bytes,
    MLA_ISA::pack,
    MLA_ISA::linear,
    MLA_ISA::head_linear,
    MLA_ISA::attention_workspace,
    MLA_ISA::attend_absorbed,
    MLA_ISA::attend_decompressed,
    MLA_ISA::merge,
    MLA_ISA::append,
    MLA_ISA::rope,
    MLA_ISA::rms_norm,
    MLA_ISA::swiglu,
    MLA_ISA::add,
    MLA_ISA::embed,
    MLA_ISA::route,
    MLA_ISA::combine,
    MLA_ISA::probe,
};

}  // namespace mla
