# LibTorch without find_package(Torch), which stops where a CUDA wheel has no CUDA toolkit beside it.
# CMAKE_PREFIX_PATH names torch.utils.cmake_prefix_path: <torch>/share/cmake.
find_path(ICEPOINT_TORCH_INCLUDE torch/csrc/stable/library.h
          PATH_SUFFIXES ../../include NO_CMAKE_SYSTEM_PATH NO_CMAKE_ENVIRONMENT_PATH
          DOC "torch's include folder")
if(NOT ICEPOINT_TORCH_INCLUDE)
  message(FATAL_ERROR "No torch 2.11 or later found. Pass -DCMAKE_PREFIX_PATH=$(python -c "
                      "'import torch; print(torch.utils.cmake_prefix_path)') or -DICEPOINT_TORCH=OFF.")
endif()
get_filename_component(ICEPOINT_TORCH_ROOT ${ICEPOINT_TORCH_INCLUDE} DIRECTORY)
add_library(icepoint_libtorch INTERFACE)
# SYSTEM: torch's headers do not have to be free of our warnings.
target_include_directories(icepoint_libtorch SYSTEM INTERFACE ${ICEPOINT_TORCH_INCLUDE}
                           ${ICEPOINT_TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(icepoint_libtorch INTERFACE ${ICEPOINT_TORCH_ROOT}/lib/libtorch_cpu.so
                      ${ICEPOINT_TORCH_ROOT}/lib/libc10.so)
# torch's own dependencies (libgomp) lie beside it.
target_link_options(icepoint_libtorch INTERFACE -Wl,-rpath,${ICEPOINT_TORCH_ROOT}/lib
                    -Wl,--no-as-needed -Wl,-rpath-link,${ICEPOINT_TORCH_ROOT}/lib)
