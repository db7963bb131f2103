// Replays a frozen file's self-check and prints its digest: the smallest program over the installed library.
#include <format/reader.h>
#include <kernels/select.h>
#include <runtime/model.h>

#include <cstdio>
#include <exception>
#include <memory>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: consumer MODEL.ice\n");
    return 1;
  }
  try {
    auto file = std::make_shared<const icepoint::ModelFile>(icepoint::load_model(argv[1]));
    const icepoint::Model model(file, icepoint::kernels());
    const std::string difference = icepoint::verify(model);
    std::printf("%s %s\n", file->digest.c_str(), difference.empty() ? "verified" : difference.c_str());
    return difference.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
