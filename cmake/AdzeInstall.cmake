# adze, the headers of compiled models, and the runtime library: thread pool, sessions, the main of --emit=exe.
include(GNUInstallDirs)

if(TARGET adze)
  install(TARGETS adze RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
get_target_property(type adze_runtime TYPE)
if(NOT type STREQUAL "INTERFACE_LIBRARY")
  install(TARGETS adze_runtime ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(FILES runtime/include/adze_model.h runtime/include/adze_runtime.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
