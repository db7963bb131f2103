// The example of docs/format.md, whose bytes a program without icepoint wrote from that page alone.
#include <gtest/gtest.h>

#include "format_fixtures.h"

namespace icepoint::testing {
namespace {

TEST(FormatExample, TheWriterGivesTheBytesOfTheDocument) {
  Weights w;
  w.bits = 4;
  w.weight = make_tensor(pack_codes({1, -2, 3, 7, 0, -7}, 3, 4), {2, 2});
  w.weight_scale = make_tensor(std::vector<float>{0.25f, 0.125f}, {2});
  w.multiplier = i32({1 << 30, 1 << 30});
  w.shift = i32({32, 33});
  ModelFile file;
  file.graph = linear_graph(w, 3, 2, {0.5f, 10, 8});
  file.graph.nodes[0].y = QParams{0.5f, 3, 8};
  op_at<QLinear>(file.graph, 0).lo = 3;
  file.made_by = {{"hand", "docs/format.md"}};
  // y = clamp(3 + (acc m + 2^(s-1) >> s), 3, 255) of the two inputs by hand: acc = 40, -140 and 256, 1736.
  file.self_check.inputs = {make_tensor(Bytes{10, 20, 30, 255, 0, 7}, {2, 3})};
  const std::string answers = sha256(Bytes{13, 3, 67, 220});
  file.self_check.outputs = answers;
  file.self_check.values = {answers};
  const Bytes bytes = write_model(file);
  EXPECT_EQ(bytes.size(), 1122u);
  EXPECT_EQ(peek_digest(bytes), "18e1b93329bb8a55c409f7a0fb7017d592bc131fd1155f8a539ba511359f3582");
  EXPECT_EQ(verdict(bytes), "accepted");
}

}  // namespace
}  // namespace icepoint::testing
