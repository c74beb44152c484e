"""How the programs of the exact law are compiled: they are long, and run in milliseconds.

XLA emits code for the CPU in two ways. The older way compiles these programs in three fifths of the time of the newer
one. They run as fast, and give the same numbers to the bit. The steps of a sheet run faster with the newer way.
"""

from functools import wraps

import jax
import jaxlib

# XLA refuses an option that it does not know, and the older way may go in any later version.
OPTIONS = {"xla_cpu_use_fusion_emitters": False} if jaxlib.__version__.startswith("0.10.") else {}


def compiled(*static):
    """A decorator: `jax.jit` with the names ``static`` of its static arguments, and with :data:`OPTIONS`.

    Inside of another traced function JAX admits no options; there it is `jax.jit` alone.
    """

    def decorate(function):
        inside = jax.jit(function, static_argnames=static)
        outside = jax.jit(function, static_argnames=static, compiler_options=OPTIONS)

        @wraps(function)
        def call(*args, **kwargs):
            traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs)))
            return (inside if traced else outside)(*args, **kwargs)

        return call

    return decorate
