# Settings for a SLURM cluster. Sourced by the batch scripts; each line can be overridden from the
# environment. Copy it for your site and name the copy in STRATA_JOB_SITE.

# Modules or paths that bring Open MPI and parallel HDF5 of the same build, for instance
#   module load openmpi hdf5-mpi
: "${STRATA_JOB_PROGRAM:=strata}"

# Open MPI's own parallel I/O layer is reported to hang or corrupt on Lustre; ROMIO is the safe choice
# there. Both pass the read-back before a result is published.
export OMPI_MCA_io=${OMPI_MCA_io:-romio321}
# One BLAS thread a rank: the ranks are the parallelism.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
