# Functions that make libraries and programs out of folders.
#
# Every include path starts at the repository root ("ir/module.h"). To keep imports one-way, a target does not get the
# root itself: it gets one "view" for each folder that it may see, a directory whose only entry is a link to it.

# adze_view(OUT FOLDER): the include directory that shows FOLDER alone.
function(adze_view out folder)
  set(view "${CMAKE_BINARY_DIR}/view/${folder}")
  file(MAKE_DIRECTORY "${view}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${view}/${folder}" SYMBOLIC)
  set(${out} "${view}" PARENT_SCOPE)
endfunction()

# adze_flags(TARGET PLAIN FOLDER...): warnings, sanitizers unless PLAIN is true, views of the folders.
function(adze_flags target plain)
  target_compile_options(${target} PRIVATE ${ADZE_WARNINGS})
  foreach(folder IN LISTS ARGN)
    adze_view(view ${folder})
    target_include_directories(${target} PRIVATE "${view}")
    if(folder STREQUAL "runtime")
      target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/runtime/include")
    endif()
  endforeach()
  if(ADZE_SANITIZE AND NOT plain)
    target_compile_options(${target} PRIVATE ${ADZE_SANITIZERS})
    target_link_options(${target} PRIVATE ${ADZE_SANITIZERS})
  endif()
endfunction()

# adze_glob(OUT FOLDER SUFFIX [EXCLUDED...]): the sources under FOLDER, re-read whenever the build runs.
function(adze_glob out folder suffix)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.${suffix}")
  list(FILTER files EXCLUDE REGEX "/Inputs/")
  foreach(excluded IN LISTS ARGN)
    list(FILTER files EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/${excluded}/")
  endforeach()
  set(${out} "${files}" PARENT_SCOPE)
endfunction()

# adze_library(NAME FOLDER [EXCLUDE folder...] SEES folder... [GENERATED] [PLAIN])
# GENERATED adds the output of flex, bison and protoc-c; PLAIN leaves the sanitizers out.
function(adze_library name folder)
  cmake_parse_arguments(arg "GENERATED;PLAIN" "" "EXCLUDE;SEES" ${ARGN})
  adze_glob(sources ${folder} c ${arg_EXCLUDE})
  if(arg_GENERATED)
    adze_generate_parsers(generated ${folder})
    adze_generate_onnx(onnx)
    list(APPEND sources ${generated} ${onnx})
  endif()
  if(NOT sources)
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON ARCHIVE_OUTPUT_DIRECTORY
                                                                        "${CMAKE_BINARY_DIR}/lib")
  adze_flags(${name} ${arg_PLAIN} ${arg_SEES})
  if(arg_GENERATED)
    target_include_directories(${name} PUBLIC "${ADZE_GENERATED}")
  endif()
endfunction()

# adze_link(TARGET LIBRARY...), adze_link_private(TARGET LIBRARY...): also for a library without sources.
function(adze_link target)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(${target} INTERFACE ${ARGN})
  else()
    target_link_libraries(${target} PUBLIC ${ARGN})
  endif()
endfunction()

function(adze_link_private target)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# adze_executable(NAME FOLDER OUTPUT_DIRECTORY LIBRARY...): one program from all sources of a folder, which sees all.
function(adze_executable name folder output)
  adze_glob(sources ${folder} c)
  if(sources)
    add_executable(${name} ${sources})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${output}")
    adze_flags(${name} FALSE ir frontend passes codegen runtime)
    target_compile_definitions(${name} PRIVATE ADZE_VERSION="${PROJECT_VERSION}")
    target_link_libraries(${name} PRIVATE ${ARGN})
  endif()
endfunction()

# adze_programs(FOLDER OUTPUT_DIRECTORY LIBRARY...): each source under FOLDER is a program, at the same relative path.
function(adze_programs folder output)
  adze_glob(sources ${folder} c)
  foreach(source IN LISTS sources)
    file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}/${folder}" "${source}")
    string(REGEX REPLACE "\\.c$" "" path "${path}")
    get_filename_component(directory "${path}" DIRECTORY)
    get_filename_component(name "${path}" NAME)
    string(REPLACE "/" "-" target "${folder}/${path}")
    add_executable(${target} "${source}")
    set_target_properties(${target} PROPERTIES OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${output}/${directory}")
    adze_flags(${target} FALSE ir frontend passes codegen runtime test)
    target_link_libraries(${target} PRIVATE ${ARGN})
  endforeach()
endfunction()

# adze_llvm(NAME LLVM_CONFIG): an interface library with the C API's headers and the shared libLLVM.
function(adze_llvm name config)
  foreach(what IN ITEMS includedir libdir bindir)
    execute_process(COMMAND "${config}" --${what} OUTPUT_VARIABLE ${what} OUTPUT_STRIP_TRAILING_WHITESPACE
                            COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  find_library(LLVM_LIBRARY NAMES LLVM-22 HINTS "${libdir}" REQUIRED NO_DEFAULT_PATH)
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE "${includedir}")
  target_link_libraries(${name} INTERFACE "${LLVM_LIBRARY}")
  target_compile_definitions(${name} INTERFACE ADZE_LLVM_BINDIR="${bindir}")
endfunction()
