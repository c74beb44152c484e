"""The Sheet: the limiting membrane, unrolled onto a periodic plane, from its fields to the ILVs that leave it."""
