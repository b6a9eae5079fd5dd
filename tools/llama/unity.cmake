# Compiles several files at a time, which halves the time. Included by llama.cpp's project().
set(CMAKE_UNITY_BUILD ON)

# These do not compile together with their neighbors.
function(keep_apart directory)
  list(TRANSFORM ARGN PREPEND "${CMAKE_SOURCE_DIR}/${directory}/")
  set_source_files_properties(${ARGN} DIRECTORY ${directory}
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
cmake_language(DEFER CALL keep_apart common json.cpp)
cmake_language(DEFER CALL keep_apart tools/mtmd mtmd-helper.cpp mtmd-helper-gen.cpp)
