"""A predicted size distribution as an instrument sees it, beside a measured one.

``seen`` passes the ILVs of a run through an instrument, onto the bins of a file. ``compare`` joins both sides and says
how far they are apart. ``words`` tells it as text and as JSON.
"""
