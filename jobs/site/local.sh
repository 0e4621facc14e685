# Settings for mpirun on one machine: a laptop, a workstation, a container. Sourced by scripts; each
# line can be overridden from the environment.
if [ "$(id -u)" -eq 0 ]; then # containers run as root; Open MPI wants to hear that it is meant
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
# Without CAP_SYS_PTRACE (containers) one process may not read another's memory directly.
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
# One BLAS thread a rank: the ranks are the parallelism.
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
