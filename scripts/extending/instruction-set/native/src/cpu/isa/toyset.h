// Isa vocabulary of a toy: that of every processor under another name.
#pragma once
#include "cpu/isa/generic.h"

namespace mla {
namespace {

struct ToySet : Generic {
  static constexpr InstructionSet kSet = {
      .needs = {},
      .fast_on = nullptr,
      .why = "the newest of the two",
      .why_slow = "",
      .why_none = "",
      .costs = Generic::kSet.costs,
  };
};

}  // namespace
}  // namespace mla
