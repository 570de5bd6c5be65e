"""A keyholder behind HTTP.

``app``     the paths
``desk``    what an answer becomes, and the one refusal that every reason leaves as
``door``    what is let in: how much, how often, how long it may take
``logs``    what is written about it, without a word of what was said
``metrics`` what is counted
``relay``   what passes stops on to the chain
``server``  how it runs and how it stops
"""
