# CUDA 13's compiler: what `tools/cuda-toolkit` put into .cuda, which it does only where no toolkit is new enough, else the
# toolkit's.
set(local ${PROJECT_SOURCE_DIR}/.cuda/sdk/nvidia/cu13)
if(NOT CMAKE_CUDA_COMPILER)
  find_program(found nvcc HINTS ${local}/bin $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin /usr/local/cuda/bin NO_CACHE)
  if(NOT found)
    message(FATAL_ERROR "there is no nvcc: run make cuda, or name one with -DCMAKE_CUDA_COMPILER=")
  endif()
  set(CMAKE_CUDA_COMPILER ${found})
endif()
get_filename_component(root ${CMAKE_CUDA_COMPILER} DIRECTORY)
get_filename_component(root ${root} DIRECTORY)
set(CMAKE_CUDA_ARCHITECTURES ${WRING_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 knows no later one for nvcc
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
# The wheels keep their libraries in lib, where nvcc does not look.
set(CMAKE_CUDA_FLAGS_INIT "-L${root}/lib")
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR "nvcc ${CMAKE_CUDA_COMPILER_VERSION} is too old, CUDA 13 is needed: run make cuda after removing build/cuda")
endif()

find_library(cudart cudart_static HINTS ${root}/lib ${root}/lib64 ${root}/targets/x86_64-linux/lib NO_CACHE REQUIRED)
add_library(wring_cuda INTERFACE)
target_compile_definitions(wring_cuda INTERFACE WRING_CUDA)
target_compile_options(wring_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
target_include_directories(wring_cuda SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_libraries(wring_cuda INTERFACE ${cudart} rt Threads::Threads ${CMAKE_DL_LIBS})
