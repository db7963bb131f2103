// A table of spoiled graphs and how each refusal begins.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph_fixtures.h"

namespace icepoint::testing {

struct Case {
  const char* message;  // what the refusal opens with
  std::function<void(Graph&)> spoil;
};

/// Spoils every_operator() as each case says, and expects the validator's words.
inline void expect_refusals(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Graph g = every_operator();
    c.spoil(g);
    const std::string found = refusal([&] { validate(g); });
    EXPECT_EQ(found.substr(0, std::string(c.message).size()), c.message) << found;
  }
}

}  // namespace icepoint::testing
