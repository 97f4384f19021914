# Code generated at build time. frontend/NAME.l becomes frontend/NAME.lex.{c,h}, frontend/NAME.y becomes
# frontend/NAME.tab.{c,h}, onnx.proto becomes onnx/onnx.pb-c.{c,h}, all under build/generated, an include directory.

set(ADZE_GENERATED "${CMAKE_BINARY_DIR}/generated")

# adze_generate_parsers(OUT FOLDER): runs flex and bison over FOLDER.
function(adze_generate_parsers out folder)
  set(results "")
  adze_glob(grammars ${folder} y)
  foreach(grammar IN LISTS grammars)
    adze_generated_stem(stem "${grammar}")
    add_custom_command(
      OUTPUT "${stem}.tab.c" "${stem}.tab.h"
      COMMAND "${BISON_EXECUTABLE}" -Wall -Werror --defines=${stem}.tab.h -o "${stem}.tab.c" "${grammar}"
      DEPENDS "${grammar}"
      VERBATIM)
    list(APPEND results "${stem}.tab.c" "${stem}.tab.h")
  endforeach()
  adze_glob(lexers ${folder} l)
  foreach(lexer IN LISTS lexers)
    adze_generated_stem(stem "${lexer}")
    add_custom_command(
      OUTPUT "${stem}.lex.c" "${stem}.lex.h"
      COMMAND "${FLEX_EXECUTABLE}" --header-file=${stem}.lex.h -o "${stem}.lex.c" "${lexer}"
      DEPENDS "${lexer}"
      VERBATIM)
    list(APPEND results "${stem}.lex.c" "${stem}.lex.h")
  endforeach()
  if(results)
    set_property(SOURCE ${results} PROPERTY COMPILE_OPTIONS ${ADZE_RELAXED})
  endif()
  set(${out} "${results}" PARENT_SCOPE)
endfunction()

# adze_generate_onnx(OUT): protobuf-c code for the ONNX schema of libonnx-dev.
function(adze_generate_onnx out)
  set(stem "${ADZE_GENERATED}/onnx/onnx.pb-c")
  file(MAKE_DIRECTORY "${ADZE_GENERATED}")
  add_custom_command(
    OUTPUT "${stem}.c" "${stem}.h"
    COMMAND "${PROTOC_C}" "--proto_path=${ONNX_PROTO_ROOT}" "--c_out=${ADZE_GENERATED}" onnx/onnx.proto
    DEPENDS "${ONNX_PROTO_ROOT}/onnx/onnx.proto"
    VERBATIM)
  set_property(SOURCE "${stem}.c" PROPERTY COMPILE_OPTIONS -w)
  set(${out} "${stem}.c" "${stem}.h" PARENT_SCOPE)
endfunction()

function(adze_generated_stem out source)
  file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}" "${source}")
  get_filename_component(directory "${path}" DIRECTORY)
  get_filename_component(name "${path}" NAME_WE)
  file(MAKE_DIRECTORY "${ADZE_GENERATED}/${directory}")
  set(${out} "${ADZE_GENERATED}/${directory}/${name}" PARENT_SCOPE)
endfunction()

# adze_embed(OUT SOURCE SYMBOL): C code that defines `const char SYMBOL[]`, the text of SOURCE with a NUL at the end.
function(adze_embed out source symbol)
  set(result "${ADZE_GENERATED}/${source}.c")
  add_custom_command(
    OUTPUT "${result}"
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}/${source}" "-DSYMBOL=${symbol}" "-DRESULT=${result}" -P
            "${PROJECT_SOURCE_DIR}/cmake/Embed.cmake"
    DEPENDS "${PROJECT_SOURCE_DIR}/${source}" "${PROJECT_SOURCE_DIR}/cmake/Embed.cmake"
    VERBATIM)
  set(${out} "${result}" PARENT_SCOPE)
endfunction()
