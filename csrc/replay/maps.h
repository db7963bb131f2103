// `icepoint run --map`: the class map of each picture, as a file.
#pragma once

#include <string>
#include <vector>

#include "replay/session.h"

namespace icepoint {

/// Writes the maps of a run's samples: of one picture to the file `out`, of several into the folder `out` as
/// <name of the input without its ending>.png, and -0, -1, ... before .png where an input holds several.
class MapWriter {
 public:
  /// Does nothing where `out` is empty. Throws std::invalid_argument where the model gives no map or two of
  /// the inputs would write the same file.
  MapWriter(std::string out, const std::vector<std::string>& inputs, const Session&);

  /// Writes the map of sample i of the n in `input`, given its reals of output 0; returns the file's path.
  std::string write(const std::string& input, int64_t i, int64_t n, const float* reals) const;

 private:
  std::string out_;
  size_t inputs_;
  const Session& session_;
};

}  // namespace icepoint
