# adze, the header of a compiled model, and the thread pool that its convenience call uses.
include(GNUInstallDirs)

if(TARGET adze)
  install(TARGETS adze RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
get_target_property(type adze_runtime TYPE)
if(NOT type STREQUAL "INTERFACE_LIBRARY")
  install(TARGETS adze_runtime ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(FILES runtime/include/adze_model.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" OPTIONAL)
