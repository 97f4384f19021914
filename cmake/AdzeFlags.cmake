# Compiler flags common to all targets.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# Asserts stay on in the default build.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
endif()

# Products are not contracted into fused multiply-adds, so that results do not depend on the build machine.
add_compile_options(-ffp-contract=off -fno-strict-aliasing -fvisibility=hidden "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
add_compile_definitions(_GNU_SOURCE)

set(ADZE_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes)
if(ADZE_WERROR)
  list(APPEND ADZE_WARNINGS -Werror)
endif()
# Generated lexers and parsers hold our actions, hence warnings, but also code of flex and bison.
set(ADZE_RELAXED -Wno-conversion -Wno-sign-conversion -Wno-sign-compare -Wno-shadow -Wno-pedantic -Wno-unused
    -Wno-missing-prototypes -Wno-error)

set(ADZE_SANITIZERS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

# Coverage for libFuzzer in all that is tested by it.
if(ADZE_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
