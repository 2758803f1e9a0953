package com.acme.hal;

import dev.halcyon.conformance.junit.Conformance;
import dev.halcyon.conformance.junit.ConformanceTests;

@Conformance(value = "acme://0", query = "hal:op/Ma*")
class AcmeConformanceTest implements ConformanceTests {}
