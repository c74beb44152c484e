"""What each Lo domain and the membrane around it keep while the shape moves.

A shape moves within microseconds, in which no lipid diffuses from one domain to another. But fields that are carried
along normals gain content where the membrane grows in place. If only the content of a whole membrane were kept, every
other domain would pay for it. So each closed membrane is divided into patches, one for each Lo domain. Between two
patches flows only host, the membrane far from domains. A patch j that had the area a_j and the contents Q_j when it was
made holds, at the area A_j,

    int chi_j W X = r Q_j + X_h (A_j - r a_j).

chi_j is 1 in the patch. X_h is what host has of the species: what the reserve has, or without one the mean over the Ld
of the membrane. r is by how much the membrane has been stretched since then: 1 while there is a reserve, and otherwise
its area over that of then. The sum over the patches of a membrane is what the membrane itself has to hold
(:mod:`membrane.vesicle.conserved`).
"""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int


class Patches(eqx.Module):
    """The patches of all closed membranes at the moment at which they were made.

    Arguments:
        labels: index of the patch that a point of the box belongs to, (n_z, n_y, n_x).
        owner: index of the membrane of each patch, (patches,).
        area: a_j, nm^2, (patches,).
        content: Q_j, int chi_j W X of each species, nm^2, (species, patches).
        host: X_h of each membrane, (species, membranes).
        stretched: area of each membrane over its relaxed area, (membranes,).
    """

    labels: Int[Array, "nz ny nx"]
    owner: Int[Array, " patches"]
    area: Float[Array, " patches"]
    content: Float[Array, "species patches"]
    host: Float[Array, "species membranes"]
    stretched: Float[Array, " membranes"]

    def total(self, field):
        """Sum of a field (n_z, n_y, n_x) over the points of each patch, (patches,)."""
        return total(field, self.labels, self.owner.size)

    def spread(self, numbers):
        """One number for each patch, (patches,), as a field (n_z, n_y, n_x)."""
        return numbers[self.labels]

    def held(self, area, stretched):
        """int chi_j W X that each patch has, nm^2, (species, patches).

        Arguments:
            area: A_j, present area of each patch, nm^2, (patches,).
            stretched: present area of each membrane over its relaxed area, (membranes,).
        """
        ratio = (stretched / self.stretched)[self.owner]
        return ratio * self.content + self.host[:, self.owner] * (area - ratio * self.area)


def total(field, labels, count: int):
    """Sum of a field (n_z, n_y, n_x) over the points of each of ``count`` patches, (count,)."""
    return jax.ops.segment_sum(field.ravel(), labels.ravel(), count)
