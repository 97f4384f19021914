/* OpenBLAS chooses its kernels when it is loaded, by the CPU's model number. */
#ifndef ADZE_FRONTEND_CLI_BLAS_H
#define ADZE_FRONTEND_CLI_BLAS_H

/* Where OpenBLAS fell back to kernels without AVX, on a CPU that has it but is newer than the library: starts
 * the program again with OPENBLAS_CORETYPE set to what the CPU can do. Returns if there is nothing to do, or
 * if that fails. What the user set stands. */
void use_fitting_blas(char **argv);

#endif
