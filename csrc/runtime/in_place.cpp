// Walks the concatenations from the last to the first; each takes in the buffers that it can.
#include "runtime/in_place.h"

#include <algorithm>

namespace icepoint {
namespace {

// Concatenations that are looked back at from one: in a chain the nearest is the longest.
constexpr int kLooks = 4;

class Joiner {
 public:
  Joiner(const Graph& graph, const Proof& proof, Fusions& f)
      : graph_(graph),
        proof_(proof),
        f_(f),
        inputs_(std::ssize(graph.inputs)),
        joins_(f.root.size(), true),
        last_(f.root.size(), -1),
        narrowed_(graph.nodes.size()),
        begin_with_(f.root.size()) {
    const auto stays = [&](int64_t v) { joins_[f_.root[v]] = false; };
    for (int64_t v = 0; v < inputs_; ++v) stays(v);
    for (int64_t v : graph_.outputs) {
      stays(v);
      last_[f_.root[v]] = std::ssize(graph_.nodes);
    }
    for (int64_t v = 0; v < graph_.value_count(); ++v)
      if (shape(v) != shape(f_.root[v]) || shape(v).size() != 3 || f_.halo[v] != Halo{}) stays(v);
    for (int64_t i : f_.narrows)
      if (i >= 0) narrowed_[i] = true;
    for (int64_t i = 0; i < std::ssize(graph_.nodes); ++i) {
      for (int64_t v : graph_.nodes[i].inputs) last_[f_.root[v]] = std::max(last_[f_.root[v]], f_.host[i]);
      if (joins_channels(i)) begin_with_[graph_.nodes[i].inputs[0]].push_back(i);
    }
  }

  void join(int64_t i) {
    if (!joins_channels(i)) return;
    const Node& node = graph_.nodes[i];
    f_.moved[i].assign(node.inputs.size(), false);
    const int64_t whole = whole_of(i);
    int64_t channel = whole == inputs_ + i ? 0 : f_.channel[inputs_ + i];
    for (size_t j = 0; j < node.inputs.size();) {
      const int64_t earlier = longest_run(i, j);
      const bool alone = earlier < 0 && joins_alone(node.inputs[j], i);
      const size_t taken = earlier >= 0 ? graph_.nodes[earlier].inputs.size() : alone ? 1 : 0;
      if (taken > 0) {
        const int64_t buffer = earlier >= 0 ? inputs_ + earlier : f_.root[node.inputs[j]];
        f_.inside[buffer] = whole;
        f_.channel[buffer] = channel;
      }
      for (const size_t end = j + std::max<size_t>(taken, 1); j < end; ++j) {
        f_.moved[i][j] = taken > 0;
        channel += shape(node.inputs[j])[0];
      }
    }
    if (std::find(f_.moved[i].begin(), f_.moved[i].end(), false) == f_.moved[i].end()) f_.host[i] = -1;
  }

 private:
  const Shape& shape(int64_t value) const { return proof_.values[value].shape; }
  const QParams& q(int64_t value) const { return proof_.values[value].q; }

  /// A clamp that joined the requantization would be lost with it.
  bool joins_channels(int64_t i) const {
    const auto* op = std::get_if<QConcat>(&graph_.nodes[i].op);
    return op != nullptr && op->axis == 0 && shape(inputs_ + i).size() == 3 && op->lo == 0 &&
           op->hi == q(inputs_ + i).qmax() && !narrowed_[i];
  }

  /// In whose buffer node i's value lies; later nodes have decided it.
  int64_t whole_of(int64_t i) const {
    const int64_t y = inputs_ + i;
    return f_.inside[y] >= 0 ? f_.inside[y] : y;
  }

  /// Whether the buffer `root` may lie in that of node i's value, which then lives as long as the whole.
  bool may_lie(int64_t root, int64_t i) const {
    const int64_t whole = whole_of(i);
    return joins_[root] && f_.inside[root] < 0 && root != whole && last_[root] <= last_[whole];
  }

  bool joins_alone(int64_t v, int64_t i) const { return q(v) == q(inputs_ + i) && may_lie(f_.root[v], i); }

  /// The node before i that joined the longest run of i's inputs from j on in the same way, or -1.
  int64_t longest_run(int64_t i, size_t j) const {
    const Node& node = graph_.nodes[i];
    int64_t longest = -1;
    size_t length = 0;
    const std::vector<int64_t>& all = begin_with_[node.inputs[j]];
    auto next = std::lower_bound(all.begin(), all.end(), i);
    for (int looks = 0; looks < kLooks && next != all.begin(); ++looks) {
      const int64_t earlier = *--next;
      const size_t count = graph_.nodes[earlier].inputs.size();
      if (count > length && may_lie(inputs_ + earlier, i) && is_run(earlier, i, j))
        longest = earlier, length = count;
    }
    return longest;
  }

  bool is_run(int64_t earlier, int64_t i, size_t j) const {
    const Node &a = graph_.nodes[earlier], &b = graph_.nodes[i];
    if (a.inputs.size() > b.inputs.size() - j || q(inputs_ + earlier) != q(inputs_ + i)) return false;
    const auto &x = std::get<QConcat>(a.op), &y = std::get<QConcat>(b.op);
    const auto xm = x.multiplier.as<int32_t>(), ym = y.multiplier.as<int32_t>();
    const auto xs = x.shift.as<int32_t>(), ys = y.shift.as<int32_t>();
    for (size_t k = 0; k < a.inputs.size(); ++k)
      if (a.inputs[k] != b.inputs[j + k] || xm[k] != ym[j + k] || xs[k] != ys[j + k]) return false;
    return true;
  }

  const Graph& graph_;
  const Proof& proof_;
  Fusions& f_;
  const int64_t inputs_;
  std::vector<bool> joins_;    // of a root: may lie in another buffer
  std::vector<int64_t> last_;  // of a root: the node that reads it last
  std::vector<bool> narrowed_;
  std::vector<std::vector<int64_t>> begin_with_;  // of a value: the concatenations whose first input it is
};

}  // namespace

void join_in_place(const Graph& graph, const Proof& proof, Fusions& f) {
  Joiner joiner(graph, proof, f);
  for (int64_t i = std::ssize(graph.nodes); i-- > 0;) joiner.join(i);
}

}  // namespace icepoint
