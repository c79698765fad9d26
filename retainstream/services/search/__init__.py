"""The search over everything that has a name: `finding` answers, `places` lists pages and acts, `people` looks customers up, `ranking` orders.

Every hit is an address in the pages, and nobody is told of one that would refuse them. A package of modules, no façade.
"""
