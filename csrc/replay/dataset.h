// Labelled samples of `eval`: an IDX pair, or a folder with a folder for each class.
#pragma once

#include <memory>
#include <string>

#include "replay/session.h"

namespace icepoint {

/// Samples in a fixed order, each with the index of its class.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Writes the input codes (n, ...) of samples begin..begin + n.
  virtual void codes(int64_t begin, int64_t n, uint8_t* to) const = 0;
  virtual int64_t label(int64_t i) const = 0;
};

/// Pixels (n, h, w[, c]) and labels (n), each an IDX file, plain or .gz.
std::unique_ptr<const Dataset> open_idx_pair(const std::string& images, const std::string& labels,
                                             const Session&);

/// FOLDER/<class>/<picture>.png|.jpg|.jpeg. Folders are classes by name where the recipe has names,
/// else in the order of their names, as torchvision's ImageFolder numbers them. Names that begin with
/// a dot are passed over; any other file is an error, so that nothing is left out in silence.
std::unique_ptr<const Dataset> open_class_folders(const std::string& folder, const Session&);

}  // namespace icepoint
